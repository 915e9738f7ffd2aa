#include "tools/serve/fhir/search_table.h"

#include <map>
#include <sstream>
#include <utility>

namespace ramet::serve::fhir {
namespace {

// A line is types, parameter, kind and paths; '*' is every type. Kinds: s(tring), t(oken),
// r(eference; "r:Type" for what a bare id means), d(ate), p(eriod), u(ri). A line that ends with
// a comma or a plus sign goes on with the next one.
constexpr std::string_view kTable = R"(
* _tag t meta.tag
* _profile u meta.profile
* _security t meta.security
* _source u meta.source
* _project t meta.project
* _compartment r meta.compartment
* _account r meta.account,meta.accounts
* _author r meta.author
Patient,Practitioner,Person,RelatedPerson,User name s +
name.family,name.given,name.text,name.prefix,name.suffix,firstName,lastName
Patient,Practitioner,Person,RelatedPerson family s name.family
Patient,Practitioner,Person,RelatedPerson given s name.given
Patient,Practitioner,Person,RelatedPerson,Organization,Location address s +
address.text,address.line,address.city,address.state,address.postalCode,address.country
Patient,Practitioner,Person,RelatedPerson,Organization,Location address-city s address.city
Patient,Practitioner,Person,RelatedPerson,Organization,Location address-state s address.state
Patient,Practitioner,Person,RelatedPerson,Organization,Location address-postalcode s +
address.postalCode
Patient,Practitioner,Person,RelatedPerson,Organization,Location address-country s address.country
Patient,Practitioner,Person,RelatedPerson gender t gender
Patient,Practitioner,Person,RelatedPerson birthdate d birthDate
Patient,Practitioner,Person,RelatedPerson,PractitionerRole telecom t telecom
Patient,Practitioner,Person,RelatedPerson phone t telecom
Patient,Practitioner,Person,RelatedPerson email t telecom
Patient,Practitioner,Person,RelatedPerson,Organization,Group,PractitionerRole,HealthcareService,
Schedule active t active
Patient deceased t deceasedBoolean
Patient death-date d deceasedDateTime
Patient general-practitioner r generalPractitioner
Patient,Person organization r:Organization managingOrganization
Patient,RelatedPerson link r link.other,patient
Organization,Location,HealthcareService,Group,Bot,ClientApplication,AccessPolicy,
UserConfiguration,Project,Questionnaire,StructureDefinition,ValueSet,CodeSystem,ConceptMap,
PlanDefinition,ActivityDefinition,Library,Measure,SearchParameter,OperationDefinition,
CapabilityStatement,CompartmentDefinition,ImplementationGuide,GraphDefinition,MessageDefinition,
StructureMap,NamingSystem,Endpoint,Agent,ViewDefinition name s name
Organization,Location partof r partOf
Organization type t type
Questionnaire,StructureDefinition,ValueSet,CodeSystem,ConceptMap,PlanDefinition,
ActivityDefinition,Library,Measure,ImplementationGuide,StructureMap,ResearchStudy title s title
Questionnaire,StructureDefinition,ValueSet,CodeSystem,ConceptMap,PlanDefinition,
ActivityDefinition,Library,Measure,SearchParameter,OperationDefinition,CapabilityStatement,
CompartmentDefinition,ImplementationGuide,GraphDefinition,MessageDefinition,StructureMap,
Subscription url u url,channel.endpoint
Questionnaire,StructureDefinition,ValueSet,CodeSystem,ConceptMap,PlanDefinition,
ActivityDefinition,Library,Measure,SearchParameter,OperationDefinition,CapabilityStatement,
ImplementationGuide,StructureMap version t version
Questionnaire,StructureDefinition,ValueSet,CodeSystem,ConceptMap,PlanDefinition,
ActivityDefinition,Library,Measure,SearchParameter,OperationDefinition,CapabilityStatement,
ImplementationGuide,StructureMap,MessageDefinition,GraphDefinition status t status
StructureDefinition type u type
StructureDefinition kind t kind
StructureDefinition derivation t derivation
StructureDefinition base u baseDefinition
SearchParameter,OperationDefinition,CompartmentDefinition code t code
SearchParameter base t base
ValueSet,CodeSystem code t compose.include.concept.code,concept.code
ValueSet reference u compose.include.system
Questionnaire subject-type t subjectType
QuestionnaireResponse questionnaire u questionnaire
QuestionnaireResponse author r author
QuestionnaireResponse source r source
QuestionnaireResponse authored d authored
Encounter,Condition,Procedure,Observation,DiagnosticReport,DocumentReference,ServiceRequest,
MedicationRequest,MedicationStatement,MedicationAdministration,MedicationDispense,CarePlan,
CareTeam,Goal,Flag,Media,Communication,CommunicationRequest,QuestionnaireResponse,Composition,
ImagingStudy,List,RiskAssessment,ClinicalImpression,Invoice,ChargeItem,RequestGroup,Account,
Consent,DeviceRequest,Specimen,MeasureReport,AdverseEvent,Basic,NutritionOrder,GuidanceResponse,
DocumentManifest subject r:Patient subject,patient
Encounter,Condition,Procedure,Observation,DiagnosticReport,DocumentReference,ServiceRequest,
MedicationRequest,MedicationStatement,MedicationAdministration,MedicationDispense,CarePlan,
CareTeam,Goal,Flag,Media,Communication,CommunicationRequest,QuestionnaireResponse,Composition,
ImagingStudy,List,RiskAssessment,ClinicalImpression,Invoice,ChargeItem,RequestGroup,Account,
Consent,DeviceRequest,Specimen,MeasureReport,Immunization,AllergyIntolerance,Claim,
ClaimResponse,ExplanationOfBenefit,EpisodeOfCare,FamilyMemberHistory,RelatedPerson,Coverage,
CoverageEligibilityRequest,CoverageEligibilityResponse,Device,BodyStructure,SupplyRequest,
SupplyDelivery,VisionPrescription,NutritionOrder,DetectedIssue,ResearchSubject,
Person patient r:Patient +
subject,patient,beneficiary,individual,for,link.target
Encounter,Condition,Procedure,Observation,DiagnosticReport,DocumentReference,ServiceRequest,
MedicationRequest,CarePlan,Media,Communication,QuestionnaireResponse,Composition,
ClinicalImpression,Task,ImagingStudy,List,RiskAssessment,Flag,NutritionOrder,
DeviceRequest encounter r:Encounter +
encounter,context,context.encounter
Encounter,Condition,Procedure,Observation,DiagnosticReport,ServiceRequest,MedicationRequest,
CarePlan,Goal,Media,Communication,CommunicationRequest,Immunization,AllergyIntolerance,
DetectedIssue,Composition,ImagingStudy,List,Flag,RequestGroup,Consent,Claim,ClaimResponse,
ExplanationOfBenefit,Coverage,EpisodeOfCare,FamilyMemberHistory,Appointment,AppointmentResponse,
Schedule,Slot,Task,Subscription,DocumentReference,QuestionnaireResponse,DeviceRequest,Device,
Medication,Account,ResearchStudy,ResearchSubject,NutritionOrder,SupplyRequest,SupplyDelivery,
Specimen,CareTeam,RiskAssessment,ClinicalImpression,Location,Substance,AsyncJob,Invoice,
MeasureReport,PaymentNotice,VisionPrescription,CatalogEntry,BulkDataExport,ChargeItem,
MedicationAdministration,MedicationDispense,MedicationStatement,Contract,Endpoint status t +
status,participantStatus
Condition,Procedure,Observation,DiagnosticReport,ServiceRequest,Medication,MedicationRequest,
MedicationStatement,MedicationAdministration,MedicationDispense,AllergyIntolerance,Flag,Group,
List,DetectedIssue,ChargeItem,Task,Basic,Substance,FamilyMemberHistory,RequestGroup code t +
code,medicationCodeableConcept
Observation,DiagnosticReport,Procedure,ServiceRequest,CarePlan,DocumentReference,Condition,
Composition,Communication,CommunicationRequest,Immunization,PractitionerRole,
HealthcareService category t +
category
Observation code-value-concept t valueCodeableConcept
Observation value-concept t valueCodeableConcept
Observation value-string s valueString
Observation value-date d valueDateTime
Observation,Procedure,DiagnosticReport performer r performer,performer.actor
Observation,DiagnosticReport,Procedure,ServiceRequest,CarePlan based-on r basedOn
Observation has-member r hasMember
Observation specimen r:Specimen specimen
DiagnosticReport result r:Observation result
Observation date p effectiveDateTime,effectivePeriod,effectiveInstant
DiagnosticReport date p effectiveDateTime,effectivePeriod
DiagnosticReport issued d issued
Procedure date p performedDateTime,performedPeriod
Encounter,CarePlan,CareTeam,EpisodeOfCare date p period
Encounter class t class
Encounter type t type
Encounter participant r participant.individual
Encounter practitioner r:Practitioner participant.individual
Encounter location r:Location location.location
Encounter service-provider r:Organization serviceProvider
Encounter appointment r:Appointment appointment
Encounter reason-code t reasonCode
Condition clinical-status t clinicalStatus
Condition verification-status t verificationStatus
Condition severity t severity
Condition onset-date p onsetDateTime,onsetPeriod
Condition recorded-date d recordedDate
Condition asserter r asserter
AllergyIntolerance clinical-status t clinicalStatus
AllergyIntolerance verification-status t verificationStatus
AllergyIntolerance criticality t criticality
AllergyIntolerance date d recordedDate
MedicationRequest intent t intent
MedicationRequest,ServiceRequest,DeviceRequest,NutritionOrder authoredon d authoredOn
MedicationRequest,ServiceRequest,DeviceRequest requester r requester
MedicationRequest,MedicationStatement,MedicationAdministration,
MedicationDispense medication r:Medication +
medicationReference
ServiceRequest,Task,CarePlan,RequestGroup intent t intent
ServiceRequest,Task,Communication,Appointment priority t priority
ServiceRequest performer r performer
ServiceRequest requisition t requisition
ServiceRequest specimen r:Specimen specimen
DocumentReference type t type
DocumentReference date d date
DocumentReference author r author
DocumentReference contenttype t content.attachment.contentType
DocumentReference custodian r:Organization custodian
DocumentReference location u content.attachment.url
DocumentReference related r context.related
Immunization date d occurrenceDateTime
Immunization vaccine-code t vaccineCode
Communication,CommunicationRequest sender r sender
Communication,CommunicationRequest recipient r recipient
Communication sent d sent
Communication received d received
Communication topic t topic
Communication part-of r partOf
Communication medium t medium
Appointment date d start
Appointment actor r participant.actor
Appointment patient r:Patient participant.actor
Appointment practitioner r:Practitioner participant.actor
Appointment location r:Location participant.actor
Appointment slot r:Slot slot
Appointment service-type t serviceType
Appointment appointment-type t appointmentType
AppointmentResponse actor r actor
AppointmentResponse appointment r:Appointment appointment
Schedule actor r actor
Schedule date p planningHorizon
Slot schedule r:Schedule schedule
Slot start d start
Slot status t status
Task owner r owner
Task requester r requester
Task subject r:Patient for
Task patient r:Patient for
Task focus r focus
Task part-of r partOf
Task based-on r basedOn
Task authored-on d authoredOn
Task modified d lastModified
Task period p executionPeriod
Task business-status t businessStatus
Task performer t performerType
Task due-date d restriction.period.end
CarePlan,Goal,RequestGroup instantiates-canonical u instantiatesCanonical
CareTeam participant r participant.member
Goal lifecycle-status t lifecycleStatus
Goal target-date d target.dueDate
Goal start-date d startDate
Coverage beneficiary r:Patient beneficiary
Coverage subscriber r subscriber
Coverage payor r payor
Coverage type t type
Coverage policy-holder r policyHolder
Claim,ExplanationOfBenefit created d created
Claim,ExplanationOfBenefit provider r provider
Claim insurer r:Organization insurer
ClaimResponse request r:Claim request
Group member r member.entity
Group type t type
Location type t type
Location organization r:Organization managingOrganization
Location near-name s name
Media created p createdDateTime,createdPeriod
Media type t type
Media operator r operator
PractitionerRole practitioner r:Practitioner practitioner
PractitionerRole organization r:Organization organization
PractitionerRole location r:Location location
PractitionerRole role t code
PractitionerRole specialty t specialty
HealthcareService organization r:Organization providedBy
HealthcareService location r:Location location
HealthcareService service-type t type
Device type t type
Device device-name s deviceName.name
Specimen type t type
Specimen collected p collection.collectedDateTime,collection.collectedPeriod
ImagingStudy started d started
Provenance target r target
Provenance agent r agent.who
Provenance recorded d recorded
AuditEvent action t action
AuditEvent agent r agent.who
AuditEvent entity r entity.what
AuditEvent date d recorded
AuditEvent outcome t outcome
AuditEvent type t type
AuditEvent subtype t subtype
Composition type t type
Composition date d date
Composition author r author
Composition title s title
Consent date d dateTime
Consent category t category
List code t code
List date d date
List item r entry.item
List source r source
Subscription criteria s criteria
Subscription type t channel.type
Subscription payload t channel.payload
ResearchStudy title s title
ResearchSubject individual r:Patient individual
ResearchSubject study r:ResearchStudy study
PlanDefinition,ActivityDefinition,Library,Measure date d date
PlanDefinition type t type
ProjectMembership project r:Project project
ProjectMembership user r user
ProjectMembership profile r profile
ProjectMembership access-policy r:AccessPolicy accessPolicy,access.policy
ProjectMembership admin t admin
ProjectMembership user-configuration r:UserConfiguration userConfiguration
ProjectMembership user-name s userName
ProjectMembership external-id t externalId
ProjectMembership profile-type t profile.type
Project owner r owner
Project google-client-id t site.googleClientId
User email t email
User project r:Project project
User external-id t externalId
Login user r user
Login code t code
AsyncJob request s request
AsyncJob type t type
JsonWebKey active t active
DomainConfiguration domain u domain
Bot category t category
Bot system t system
ClientApplication status t status
Invoice account r:Account account
Account owner r:Organization owner
Account type t type
Endpoint connection-type t connectionType
Endpoint organization r:Organization managingOrganization
Contract subject r subject
ConceptMap source u sourceUri,sourceCanonical
ConceptMap target u targetUri,targetCanonical
EpisodeOfCare care-manager r:Practitioner careManager
EpisodeOfCare organization r:Organization managingOrganization
EpisodeOfCare type t type
Substance category t category
MeasureReport measure u measure
MeasureReport period p period
Bundle type t type
Bundle timestamp d timestamp
Basic created d created
Basic author r author
Person link r link.target
DetectedIssue implicated r implicated
RiskAssessment date p occurrenceDateTime,occurrencePeriod
Flag date p period
Flag author r author
VisionPrescription prescriber r prescriber
)";

// Types without an element `identifier` in R4 of those that are used most; all others have one.
constexpr std::string_view kWithoutIdentifier =
    " Binary AuditEvent Provenance Subscription Parameters OperationOutcome Linkage "
    "AsyncJob Login JsonWebKey AccessPolicy UserConfiguration CapabilityStatement ";

ParamKind kind_of(char letter) {
  switch (letter) {
    case 't': return ParamKind::kToken;
    case 'r': return ParamKind::kReference;
    case 'd': return ParamKind::kDate;
    case 'p': return ParamKind::kPeriod;
    case 'u': return ParamKind::kUri;
    default: return ParamKind::kString;
  }
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) out.push_back(part);
  return out;
}

class Table {
 public:
  Table() {
    std::istringstream lines{std::string(kTable)};
    std::string line;
    for (std::string part; std::getline(lines, part);) {
      line += part;
      if (line.ends_with(',')) continue;
      if (line.ends_with('+')) {
        line.pop_back();
        continue;
      }
      std::istringstream words(std::exchange(line, {}));
      std::string types, name, kind, paths;
      if (!(words >> types >> name >> kind >> paths)) continue;
      SearchParam param;
      param.name = name;
      param.kind = kind_of(kind[0]);
      if (kind.size() > 2) param.target = kind.substr(2);
      for (const std::string& path : split(paths, ',')) param.paths.push_back(split(path, '.'));
      if (types == "*") {
        common_.push_back(param);
        continue;
      }
      for (const std::string& type : split(types, ',')) add(type, param);
    }
    add_common(common_);
    for (auto& [type, params] : types_) {
      params.insert(params.end(), common_.begin(), common_.end());
      add_identifier(type, params);
    }
  }
  const std::vector<SearchParam>& of(std::string_view type) const {
    const auto found = types_.find(type);
    if (found != types_.end()) return found->second;
    return type == "Binary" ? common_ : others_;
  }

 private:
  void add(const std::string& type, const SearchParam& param) {
    for (SearchParam& there : types_[type]) {
      if (there.name != param.name) continue;
      there.paths.insert(there.paths.end(), param.paths.begin(), param.paths.end());
      return;
    }
    types_[type].push_back(param);
  }
  void add_common(std::vector<SearchParam>& common) {
    others_ = common;
    add_identifier("", others_);
  }
  static void add_identifier(const std::string& type, std::vector<SearchParam>& params) {
    if (kWithoutIdentifier.find(" " + type + " ") != std::string_view::npos) return;
    params.push_back({"identifier", ParamKind::kToken, {{"identifier"}}, {}});
  }

  std::map<std::string, std::vector<SearchParam>, std::less<>> types_;
  std::vector<SearchParam> common_;
  std::vector<SearchParam> others_;  // of types without lines of their own
};

const Table& table() {
  static const Table only;
  return only;
}

}  // namespace

const std::vector<SearchParam>& search_params(std::string_view type) { return table().of(type); }

const SearchParam* find_param(std::string_view type, std::string_view name) {
  for (const SearchParam& param : search_params(type)) {
    if (param.name == name) return &param;
  }
  return nullptr;
}

}  // namespace ramet::serve::fhir
